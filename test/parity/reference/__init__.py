"""Runs the live reference, pytorch_ood.detector.NACUE, on a table of cases and writes what nacue must reproduce."""
