"""Reference C-model: a .tflite turned into plain C99 that answers bit for bit like LiteRT's reference kernels."""
