"""The program inside an engine file: a model behind the protocol of Edge Impulse's Linux executables.

It is packed into the file under this name and runs there alone: the standard library, numpy and a .tflite runtime are
all it needs, nothing else of ai_runner is imported. numpy and the runtime are imported only after hello was answered.

framing -> message -> session -> classifier (features, network, boxes); program has the sockets, streams and signals.
"""
