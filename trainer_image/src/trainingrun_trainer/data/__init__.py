"""From a ZIP or directory to batches of uint8 images."""
