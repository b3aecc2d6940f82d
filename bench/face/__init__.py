"""Exact references for split DNN inference.

How far from the optimum is a method that splits a network over device, edge and cloud?
"""
