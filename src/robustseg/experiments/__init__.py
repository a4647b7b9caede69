"""Methods compared: a grid of methods and seeds, trained, scored and laid side by side with intervals."""
