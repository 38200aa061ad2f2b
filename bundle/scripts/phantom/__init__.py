"""Digital phantom of acute myocardial infarction: anatomy, tissue, MR signal, writer. No torch."""
