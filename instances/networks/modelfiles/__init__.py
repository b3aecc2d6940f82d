"""Profiles of networks that stand in ONNX files; needs the extra ``onnx``."""
