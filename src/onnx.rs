//! The onnx module.
