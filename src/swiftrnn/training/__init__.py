"""What every run shares: training, run folders, reports. Nothing heavy is imported from here."""
