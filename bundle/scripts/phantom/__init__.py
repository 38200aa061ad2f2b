"""Digital phantom of acute myocardial infarction: heart, scanner, cohorts, DICOM, realism check. No torch."""
