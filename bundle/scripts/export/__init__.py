"""The network as TorchScript and ONNX, its record, and inference on it."""
