"""Map of the house: five floors, imports go down. This file imports nothing.

Floor 5: jobs of one subject or one study
    serving/         one subject at a time: the Python API and MONAI Label
    study/           a DICOM study in, results out: import before inference, export after it
    quantify_job.py  measures a folder of LGE and label maps

Floor 4: stages
    datasets/        dataset folders: layouts, lists of subjects, checks, and the datasets that read them
    registration/    T2-STIR and LGE onto the slices of the cine
    training/        one training run: augmentation, optimisation, validation, checkpoints, log, tracking
    inference/       batch inference: one folder per subject, and the report of the run
    evaluation/      predictions against ground truth: tables, plots, pages; statistics/ holds intervals and agreement
    export/          the network as TorchScript and ONNX, and inference on it
    phantom/         digital phantom of acute infarction, without torch: heart/ anatomy, motion, infarct and tissue;
                     scanner/ protocols, signal and artefacts; cohort/ plans and folders; dicom/ as vendors write it;
                     realism/ how close a cohort comes to published patients

Floor 3: tools of the stages
    preprocessing/   from files to the network's crops, and from its output back to the cine grid
    dicom/           series, headers, geometry, de-identification, DICOM objects; geometry.py alone flips axes
    reports/         what a reader sees: previews, bull's eyes, tables, style of the pages
    runtime/         what every command shares: start, command line, weights, provenance, processes

Floor 2: measures, model, files
    clinical/        measures of one subject: volumes, infarct size, transmurality, AHA segments (numpy, no torch)
    networks/        SSDiffUNet, TrunkUNet, their parts, and networks without diffusion to compare with (torch)
    diffusion/       noise process, loss, samplers, inferers; the network is passed in (torch)
    volumes/         NIfTI files, grids, resampling
    files.py         files that appear whole or not at all
    subject_faults.py  what a job says of a subject that raised an error

Floor 1: conventions.py, the vocabulary: batch keys, label codes, ranges, axes, errors
"""
