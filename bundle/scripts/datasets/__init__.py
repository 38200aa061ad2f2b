"""Input folders: layouts, lists of subjects, checks, and the datasets that read them."""
