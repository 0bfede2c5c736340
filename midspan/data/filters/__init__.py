"""Quality of files: signals measured once and stored, thresholds applied to them afterwards."""
