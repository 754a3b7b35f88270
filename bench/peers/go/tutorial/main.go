// Go as the usual tutorial has it: read the header, read the body, write the frame. No buffers, three system calls.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
)

const maxFrameBytes = 8 << 20

func echo(conn net.Conn) {
	defer conn.Close()
	header := make([]byte, 4)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(header)
		if length > maxFrameBytes {
			return
		}
		frame := make([]byte, 4+length)
		copy(frame, header)
		if _, err := io.ReadFull(conn, frame[4:]); err != nil {
			return
		}
		if _, err := conn.Write(frame); err != nil {
			return
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
