"""Map of the bundle's code (this file imports nothing).

conventions.py  vocabulary: batch keys, labels, ranges, errors
networks/       what the model is: SSDiffUNet and its parts, networks without diffusion to compare with (torch only)
diffusion/      how it learns and samples: process, loss, samplers, inferers (the network is passed in)
engine/         what plugs into MONAI's engines: prepare_batch, handlers, evaluation, start-up checks, run reports
data/           how files become a batch and results go back to the cine grid: datalist, registration, preprocessing
phantom/        digital phantom of acute infarction (no torch): anatomy, tissue, MR signal, writer
phantom/realism/ how close a cohort on disk comes to published patients: measures, targets, table, pictures
dicom/          the hospital boundary: import of a study, geometry (the only file that flips axes), export of results
clinical/       what the cardiologist reads: infarct size, transmurality, AHA 17, contrast (numpy in, numbers out)
"""
