"""ECG paper as pictures: a renderer that knows the true signal, and the classifier of whole pages."""
