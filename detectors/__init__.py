"""Online anomaly detectors and the calibration of their scores. Pure, like operators."""
