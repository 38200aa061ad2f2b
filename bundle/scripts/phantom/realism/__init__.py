"""How close a phantom cohort on disk comes to published patients: measures, targets, table, plots."""
