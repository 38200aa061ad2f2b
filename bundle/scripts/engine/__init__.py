"""What plugs into MONAI's engines: prepare_batch, metrics, handlers, start-up checks, run reports."""
