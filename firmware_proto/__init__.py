"""The other end of the wire: message schemas and a firmware that speaks them.

`stm32msg_v2.proto` and `stm32msg_v3.proto` are the messages of aiValidation firmware. What is read at run time are
their descriptor sets beside them (`ai_runner.firmware_proto.messages`); after a change of a schema write them anew::

    cd firmware_proto
    python -m grpc_tools.protoc -I. --descriptor_set_out=stm32msg_v3.desc stm32msg_v3.proto
"""
