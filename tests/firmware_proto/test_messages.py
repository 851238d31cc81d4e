"""The message classes made from descriptor sets."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from ai_runner.firmware_proto.messages import FAMILIES, message_classes


@pytest.mark.parametrize("family", FAMILIES)
def test_descriptor_set_is_that_of_the_schema(family: str, repository: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("grpc_tools") is None:
        pytest.skip("grpcio-tools is not installed")
    folder = repository / "firmware_proto"
    made = tmp_path / "made.desc"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--descriptor_set_out={made}"]
    done = subprocess.run(
        [*command, f"stm32msg_{family}.proto"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    committed = (folder / f"stm32msg_{family}.desc").read_bytes()
    assert FileDescriptorSet.FromString(committed) == FileDescriptorSet.FromString(made.read_bytes())


@pytest.mark.parametrize("family", FAMILIES)
def test_classes_are_made_once_and_stay_out_of_the_default_pool(family: str) -> None:
    classes = message_classes(family)
    assert message_classes(family) is classes
    assert {"reqMsg", "ackMsg", "logMsg", "respMsg", "syncMsg", "sysinfoMsg"} <= classes.keys()
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(f"stm32msg.{family}.respMsg")


def test_families_do_not_mix() -> None:
    assert message_classes("v2")["respMsg"] is not message_classes("v3")["respMsg"]
    assert "aiNetworkInfoMsg" not in message_classes("v3")
    with pytest.raises(KeyError):
        message_classes("v4")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_firmware_writes_wrongly_can_be_read(family: str) -> None:
    classes = message_classes(family)
    # An array element of 2**31 and above leaves a real MCU sign-extended to ten bytes.
    assert classes["ackMsg"].FromString(bytes.fromhex("08faffffffffffffffff01")).param == 0xFFFFFFFA
    # A name clipped inside a character.
    assert classes["logMsg"].FromString(b"\x12\x02a\xc3").str == b"a\xc3"
    # A state that no schema names, an unknown field, and no payload.
    answer = classes["respMsg"].FromString(bytes.fromhex("1063f80601"))
    assert (answer.state, answer.WhichOneof("payload")) == (0x63, None)


def test_field_5_of_the_system_information_is_read_packed_and_not() -> None:
    sysinfo = message_classes("v3")["sysinfoMsg"]
    assert list(sysinfo.FromString(bytes.fromhex("28032804")).com_param_or_extra) == [3, 4]
    assert list(sysinfo.FromString(bytes.fromhex("2a020304")).com_param_or_extra) == [3, 4]


def test_protobuf_is_imported_when_it_is_needed(repository: Path) -> None:
    code = "import sys, ai_runner.firmware_proto.messages; print('google.protobuf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
