// Go as a careful engineer writes it: buffered both ways, flushed when nothing more has arrived.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
)

const maxFrameBytes = 8 << 20

func echo(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	writer := bufio.NewWriter(conn)
	var header [4]byte
	var body []byte
	for {
		if _, err := io.ReadFull(reader, header[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(header[:])
		if length > maxFrameBytes {
			return
		}
		if uint32(cap(body)) < length {
			body = make([]byte, length)
		}
		body = body[:length]
		if _, err := io.ReadFull(reader, body); err != nil {
			return
		}
		// A failed write stays in the writer, and the flush tells of it.
		writer.Write(header[:])
		writer.Write(body)
		if reader.Buffered() == 0 {
			if err := writer.Flush(); err != nil {
				return
			}
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echo(conn)
	}
}
