"""What is measured of a beat: window, timing, shape and noise, against the patient's past."""
