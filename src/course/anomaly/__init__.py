"""Anomaly detection: nets that learn what is normal, and say of each picture how far it is from that."""
