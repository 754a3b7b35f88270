"""The client reads and writes the bytes of `vectors/` as everybody else does: python3 -m unittest"""

import json
import pathlib
import unittest

from longline.connection import read_message, write_message
from longline.frames import FrameDecoder, frame

VECTORS = pathlib.Path(__file__).parents[2] / "vectors"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())["vectors"]


class Vectors(unittest.TestCase):
    def test_frames(self):
        for vector in vectors("frames"):
            with self.subTest(vector["name"]):
                decoder = FrameDecoder(vector["maxFrameBytes"])
                bodies = [body for chunk in vector["chunks"] for body in decoder.push(bytes.fromhex(chunk))]
                self.assertEqual([body.hex() for body in bodies], vector["frames"])
                self.assertEqual(decoder.failure is not None, "bye" in vector["end"])
                if decoder.failure is None:
                    self.assertEqual(decoder.is_empty, "clean" in vector["end"])
                if "clean" in vector["end"]:
                    self.assertEqual(b"".join(map(frame, bodies)).hex(), "".join(vector["chunks"]))

    def test_messages_to_the_gateway_are_written(self):
        for vector in vectors("client-messages"):
            if "message" in vector and "readOnly" not in vector:
                with self.subTest(vector["name"]):
                    self.assertEqual(write_message(vector["message"]).hex(), vector["json"])

    def test_messages_of_the_gateway_are_read(self):
        for vector in vectors("server-messages"):
            if "json" not in vector:
                continue
            with self.subTest(vector["name"]):
                body = bytes.fromhex(vector["json"])
                if "closed" in vector.get("expect", {}):
                    self.assertRaises(ValueError, read_message, body)
                elif "message" in vector:
                    message = read_message(body)  # which may have fields that this version does not know
                    self.assertEqual({name: message[name] for name in vector["message"]}, vector["message"])
                else:
                    read_message(body)


if __name__ == "__main__":
    unittest.main()
