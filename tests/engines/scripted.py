"""An Edge Impulse engine that plays a scenario; the fixture `scripted_engine` writes it as an executable of its own.

It speaks the protocol as real engines do, word for word: framing by braces, one reply a message, errors, shared
memory, stdin mode, --print-info. What it computes is an echo, so that a test knows what to expect: value k of a reply
is feature k. SCENARIO says what is different:

hello       merged into the hello reply, deeply; a value of None takes a field away. Names of shared memory are added
shm         False: no shared memory, and the hello says why
freeform    makes it a freeform model: sizes of its outputs, each filled with the features, repeated
replies     request key -> fields of the reply, or a list of them: one a request, the last one stays. A classify entry
            stands for its `_shm` twin too. Fields of None are taken away (`id` and `success` too), "result" is replaced
            as a whole; "raw" is text that is sent instead of a reply
faults      request key ('start' for before listening, 'end' for after the connection) -> fault, or a list as above:
                stdout, stderr  text to print (newlines included)
                flood           bytes to print on stdout, in lines of 64; with "flood_to": "stderr" there
                wait            s to wait
                exit, kill      exit code or signal number to end by
                stop            True: SIGSTOP itself
                hang            True: sleep for ever
                silent          True: read on, and do not reply to this one
                before          text to send in the reply's stream before it
                pad             bytes of a string field that makes the reply large
                split           bytes to send at a time, 1 ms apart
                cut             bytes of the reply to send, then close the connection and end
            several in one fault take effect in this order
ignore      signal names that are ignored, ["SIGINT"]
keep_shm    True: leave shared memory behind at the end
outlive     True: go on after the connection is closed, until a signal comes
"""

import contextlib
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time

SCENARIO = {}
HELLO = {
    "inferencing_engine": {"engine_type": 2, "properties": []},
    "model_parameters": {
        "axis_count": 1,
        "frequency": 62.5,
        "has_anomaly": 0,
        "has_object_tracking": False,
        "has_performance_calibration": False,
        "image_channel_count": 0,
        "image_input_frames": 0,
        "image_input_height": 0,
        "image_input_width": 0,
        "image_resize_mode": "none",
        "inferencing_engine": 2,
        "input_features_count": 8,
        "interval_ms": 16,
        "label_count": 3,
        "labels": ["low", "high", "a lot"],
        "model_type": "classification",
        "sensor": 2,
        "slice_size": 2,
        "thresholds": [],
        "use_continuous_mode": False,
    },
    "project": {
        "deploy_version": 3,
        "id": 7,
        "impulse_id": 1,
        "impulse_name": "Impulse #1",
        "name": "Scripted",
        "owner": "Tests",
    },
}
LIMIT = 32 * 1024 * 1024
BANNER = "Edge Impulse Linux impulse runner - listening for JSON messages on "


def merged(base, changes):
    """`base` with `changes`, deeply; None removes."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


class SharedFloats:
    """A shared memory object of float32."""

    def __init__(self, elements):
        self.name = "/shm-" + os.urandom(6).hex()
        self.elements = elements
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        descriptor = os.open("/dev/shm" + self.name, flags, 0o600)
        os.ftruncate(descriptor, max(elements, 1) * 4)
        self.memory = mmap.mmap(descriptor, max(elements, 1) * 4)
        os.close(descriptor)

    def describe(self):
        return {"name": self.name, "size_bytes": self.elements * 4, "type": "float32", "elements": self.elements}

    def read(self, count):
        return list(struct.unpack_from(f"<{count}f", self.memory))

    def write(self, values):
        struct.pack_into(f"<{len(values)}f", self.memory, 0, *values)

    def unlink(self):
        os.remove("/dev/shm" + self.name)  # noqa: PTH107 (pathlib is slow to import)


class Engine:
    """Replies to requests; `send` takes bytes."""

    def __init__(self, send, terminator):
        freeform = {"labels": [], "label_count": 0, "model_type": "freeform"} if "freeform" in SCENARIO else {}
        self.hello = merged(merged(HELLO, {"model_parameters": freeform}), SCENARIO.get("hello", {}))
        self.parameters = self.hello.get("model_parameters", {})
        self.window = self.parameters.get("input_features_count", 0)
        self.send = send
        self.terminator = terminator
        self.greeted = False
        self.input = None
        self.outputs = []
        self.counts = {}

    def end(self):
        if not SCENARIO.get("keep_shm"):
            for shared in [*([self.input] if self.input else []), *self.outputs]:
                shared.unlink()
        self.input, self.outputs = None, []

    def current(self, table, *keys):
        """The entry of SCENARIO[table] that is due under the first of `keys` that has one."""
        entries = SCENARIO.get(table, {})
        for key in keys:
            if key in entries:
                due = entries[key]
                if isinstance(due, list):
                    number = self.counts.get((table, key), 0)
                    self.counts[table, key] = number + 1
                    due = due[min(number, len(due) - 1)] if due else {}
                return due
        return {}

    def message(self, text):
        try:
            request = json.loads(text, parse_constant=not_json)
        except ValueError:
            request = {}
        if type(request.get("id")) is not int or not -(2**31) <= request["id"] < 2**31:
            self.reply("", {"success": False, "error": "Missing 'id' field in message"})
            return
        key = next((key for key in HANDLERS if key in request), "")
        try:
            fields = {"success": True, **self.handle(key, request)}
        except Refusal as refusal:
            fields = {"success": False, "error": str(refusal)}
        self.reply(key, {"id": request["id"], **fields})

    def handle(self, key, request):
        if not self.greeted and key != "hello":
            raise Refusal("Invalid message, should initialize first")
        if key == "":
            raise Refusal("Failed to handle message")
        return HANDLERS[key](self, request[key])

    def reply(self, key, fields):
        fault = self.current("faults", key, key.removesuffix("_shm"))
        changes = self.current("replies", key, key.removesuffix("_shm")) if fields["success"] else {}
        if "result" in changes:
            fields.pop("result", None)
        fields = merged(fields, changes)
        if fault.get("pad"):
            fields["padding"] = "x" * fault["pad"]
        disturb(fault)
        if fault.get("silent"):
            return
        text = fields.get("raw")
        data = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + self.terminator
        data = (data if text is None else text).encode()
        if "cut" in fault:
            self.send(data[: fault["cut"]])
            raise EOFError
        self.send(fault.get("before", "").encode())
        step = fault.get("split") or len(data)
        for start in range(0, len(data), step):
            self.send(data[start : start + step])
            if "split" in fault:
                time.sleep(0.001)

    # -- requests, in the order in which an engine looks for them --

    def on_hello(self, value):
        if type(value) is not int or (value != 1 and self.greeted):
            raise Refusal("Invalid message, should initialize first")
        if self.greeted:
            raise Refusal("Invalid message 'hello', already initialized")
        if value != 1:
            raise Refusal("Invalid value for 'hello', only 1 supported")
        self.greeted = True
        reply = dict(self.hello)
        if not SCENARIO.get("shm", True):
            return merged({"features_shm_error": "no shared memory here"}, reply)
        self.input = SharedFloats(self.window)
        self.outputs = [SharedFloats(size) for size in SCENARIO.get("freeform", [])]
        reply.setdefault("features_shm", self.input.describe())
        if self.outputs:
            described = [{"index": k, **shared.describe()} for k, shared in enumerate(self.outputs)]
            reply.setdefault("freeform_output_shm", described)
        return reply

    def array(self, name, values, count):
        if len(values) != count:
            raise Refusal(f"Invalid number of features in '{name}', expected {count} but got {len(values)}")
        if not all(type(value) in (int, float) for value in values):
            raise Refusal("Failed to parse classify array, should contain all numbers")
        return list(struct.unpack(f"<{count}f", struct.pack(f"<{count}f", *values)))

    def shared(self, name, value, count):
        if self.input is None:
            raise Refusal(f"Cannot use '{name}', cannot find shm input tensor with ix=0")
        if "elements" not in value:
            raise Refusal(f"Missing 'elements' in '{name}'")
        if value["elements"] != count:
            raise Refusal(f"Invalid value for '{name}.elements', expected {count}, but got {value['elements']}")
        return self.input.read(count)

    def on_classify(self, value):
        if type(value) is not list:
            raise Refusal("Failed to handle message")
        return self.echo(self.array("classify", value, self.window), "lists")

    def on_classify_shm(self, value):
        return self.echo(self.shared("classify_data_shm", value, self.window), "shm")

    def on_continuous(self, value):
        return self.echo(self.array("classify_continuous", value, self.parameters["slice_size"]), "lists")

    def on_continuous_shm(self, value):
        return self.echo(self.shared("classify_data_continuous_shm", value, self.parameters["slice_size"]), "shm")

    def echo(self, features, freeform):
        timing = {"anomaly": 0, "classification": 2, "dsp": 1, "json": 0, "msg_handler": 3, "stdin": 0}
        if "freeform" in SCENARIO:
            values = [[features[i % len(features)] for i in range(size)] for size in SCENARIO["freeform"]]
            if freeform == "shm":
                for shared, output in zip(self.outputs, values, strict=True):
                    shared.write(output)
            return {"result": {"freeform": "shm" if freeform == "shm" else values}, "timing": timing}
        labels = self.parameters.get("labels", [])
        values = {label: features[k % len(features)] for k, label in enumerate(labels)}
        return {"result": {"classification": values}, "timing": timing}

    def on_set_threshold(self, value):
        if type(value) is not dict or type(value.get("id")) not in (int, float):
            raise Refusal("set_threshold should have a numeric field 'id'")
        blocks = [block for block in self.parameters.get("thresholds", []) if block["id"] == value["id"]]
        if not blocks:
            raise Refusal(f"set_threshold: cannot find learn block with id {value['id']}")
        for key, number in value.items():
            if key in ("id", "type"):
                continue
            if type(number) not in (int, float):
                raise Refusal(f"set_threshold, value for '{key}' should be numeric")
            if not any(key in block for block in blocks):
                raise Refusal(f"set_threshold, setting key '{key}' failed with error -34")
        return {}


HANDLERS = {
    "hello": Engine.on_hello,
    "classify": Engine.on_classify,
    "classify_shm": Engine.on_classify_shm,
    "classify_continuous": Engine.on_continuous,
    "classify_continuous_shm": Engine.on_continuous_shm,
    "set_threshold": Engine.on_set_threshold,
}


def not_json(name):
    raise ValueError(name)


class Refusal(Exception):
    """An error reply."""


class Signalled(BaseException):
    """The process is asked to end."""


def disturb(fault):
    """What a fault does besides the reply."""
    os.write(1, fault.get("stdout", "").encode())
    os.write(2, fault.get("stderr", "").encode())
    line = b"." * 63 + b"\n"
    for _ in range(fault.get("flood", 0) // len(line)):
        os.write(2 if fault.get("flood_to") == "stderr" else 1, line)
    time.sleep(fault.get("wait", 0))
    if "exit" in fault:
        os._exit(fault["exit"])
    if "kill" in fault:
        os.kill(os.getpid(), fault["kill"])
    if fault.get("stop"):
        os.kill(os.getpid(), signal.SIGSTOP)
    while fault.get("hang"):
        time.sleep(3600)


def serve(engine, receive):
    """Cuts what comes into messages by counting braces, without regard to strings."""
    text, depth, begun = bytearray(), 0, False
    while data := receive():
        for piece in data.replace(b"}", b"}\0").split(b"\0"):
            opened = piece.count(b"{")
            if not begun and not opened:
                continue
            text += piece if begun else piece[piece.index(b"{") :]
            begun = True
            depth += opened - piece.count(b"}")
            if depth == 0:
                engine.message(bytes(text).decode("utf-8", "replace"))
                text.clear()
                begun = False
        if len(text) >= LIMIT:
            os.write(1, b"ERR: message is too large\n")
            sys.exit(1)


def serve_socket(path):
    with contextlib.suppress(OSError):
        os.remove(path)  # noqa: PTH107
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
    except OSError:
        os.write(1, b"ERR: Failed to bind UNIX socket\n")
        sys.exit(1)
    listener.listen(1)
    os.write(1, f"{BANNER}socket '{path}'\nWaiting for connection on {path}...\n".encode())
    stream, _ = listener.accept()
    os.write(1, b"Connected\n")
    engine = Engine(stream.sendall, "\n\0")
    try:
        serve(engine, lambda: stream.recv(1 << 20))
        stream.close()
        disturb(SCENARIO.get("faults", {}).get("end", {}))
        while SCENARIO.get("outlive"):
            time.sleep(3600)
    except (EOFError, BrokenPipeError):
        stream.close()
    finally:
        engine.end()


def serve_stdin():
    os.write(1, f"{BANNER}stdin\n".encode())

    def write(data):
        while data:
            data = data[os.write(1, data) :]

    engine = Engine(write, "\n")
    try:
        serve(engine, lambda: os.read(0, 1 << 20))
        disturb(SCENARIO.get("faults", {}).get("end", {}))
    except EOFError:
        pass
    finally:
        engine.end()


def print_info():
    engine = Engine(None, "")
    reply = {"id": 1, "success": True, **engine.on_hello(1)}
    engine.end()
    os.write(1, f"{BANNER}\n{json.dumps(reply, indent=4, sort_keys=True)}\n".encode())


def leave(number, frame):
    raise Signalled(number)


def main():
    if len(sys.argv) < 2:
        os.write(1, b"Requires one parameter (either: 'stdin' or the name of a socket)\n")
        return 1
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        ignored = name in SCENARIO.get("ignore", ())
        signal.signal(getattr(signal, name), signal.SIG_IGN if ignored else leave)
    try:
        disturb(SCENARIO.get("faults", {}).get("start", {}))
        if sys.argv[1] == "stdin":
            serve_stdin()
        elif sys.argv[1] == "--print-info":
            print_info()
        else:
            serve_socket(sys.argv[1])
    except Signalled as signalled:
        return 128 + signalled.args[0]
    return 0


if __name__ == "__main__":
    sys.exit(main())
