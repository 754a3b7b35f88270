package longline

import (
	"encoding/binary"
	"fmt"
)

const headerBytes = 4

var heartbeat = make([]byte, headerBytes)

// A Decoder cuts the bytes of one connection into bodies (protocol.md, section 1). An empty body is a heartbeat.
type Decoder struct {
	maxFrameBytes int
	buffer        []byte
	failure       error
}

// NewDecoder makes a decoder that takes bodies of at most so many bytes.
func NewDecoder(maxFrameBytes int) *Decoder { return &Decoder{maxFrameBytes: maxFrameBytes} }

// Push gives the bodies that this chunk completes, up to a failure, which stays: no frame can follow.
func (d *Decoder) Push(chunk []byte) ([][]byte, error) {
	if d.failure != nil {
		return nil, d.failure
	}
	d.buffer = append(d.buffer, chunk...)
	var bodies [][]byte
	rest := d.buffer
	for len(rest) >= headerBytes {
		length := binary.BigEndian.Uint32(rest)
		if uint64(length) > uint64(d.maxFrameBytes) {
			d.failure = fmt.Errorf("a frame of %d bytes came, %d is the limit", length, d.maxFrameBytes)
			break
		}
		end := headerBytes + int(length)
		if len(rest) < end {
			break
		}
		bodies = append(bodies, append([]byte{}, rest[headerBytes:end]...))
		rest = rest[end:]
	}
	d.buffer = append([]byte{}, rest...)
	return bodies, d.failure
}

// IsEmpty says whether the bytes so far end between two frames.
func (d *Decoder) IsEmpty() bool { return len(d.buffer) == 0 }

// Frame is the body with its length before it.
func Frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}
