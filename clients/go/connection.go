package longline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	maxInboundBytes    = 1024 * 1024 // protocol.md, section 1: server to client
	firstOutboundBytes = 16 * 1024   // ... and client to server until `connected` tells the limit
	readBytes          = 64 * 1024
	connectTimeout     = 10 * time.Second
	latestHeartbeat    = 111 // ... section 3: hundredths of its interval, jitter and lateness included
	writeTimeout       = 10 * time.Second
	repeatAfter        = 500 * time.Millisecond // where the server does not say how long to wait
)

// A connection is one life of a socket: questions and their answers, heartbeats, the goodbye. It never reconnects.
type connection struct {
	socket net.Conn
	// Called on the reading goroutine with what is no answer, in order; the next read waits for it.
	onMessage func(*connection, Message)
	// Closed when nothing is read any more; ended says why.
	closed chan struct{}
	ended  *Disconnected

	mu         sync.Mutex
	lastID     uint32
	asked      map[uint32]chan Message
	frameBytes int
	patience   time.Duration
	roomAt     time.Time
	pause      time.Duration
}

func newConnection(socket net.Conn, onMessage func(*connection, Message)) *connection {
	c := &connection{
		socket:     socket,
		onMessage:  onMessage,
		closed:     make(chan struct{}),
		asked:      map[uint32]chan Message{},
		frameBytes: firstOutboundBytes,
		patience:   connectTimeout,
	}
	go c.run()
	return c
}

// start sends a question; its answer comes through the channel, if one does before the end.
func (c *connection) start(message Message) (uint32, <-chan Message, error) {
	answer := make(chan Message, 1)
	c.mu.Lock()
	c.lastID = c.lastID%(1<<31-1) + 1
	message.ID = c.lastID
	c.asked[message.ID] = answer
	c.mu.Unlock()
	if err := c.send(message); err != nil {
		c.forget(message.ID)
		return 0, nil, err
	}
	return message.ID, answer, nil
}

// ask sends a question and waits for its answer.
func (c *connection) ask(ctx context.Context, message Message) (Message, error) {
	id, answer, err := c.start(message)
	if err != nil {
		return Message{}, err
	}
	defer c.forget(id)
	return c.await(ctx, answer)
}

func (c *connection) await(ctx context.Context, answer <-chan Message) (Message, error) {
	select {
	case message := <-answer:
		return message, errorOf(message)
	case <-ctx.Done():
		return Message{}, ctx.Err()
	case <-c.closed:
	}
	select {
	case message := <-answer: // it came first
		return message, errorOf(message)
	default:
		return Message{}, c.ended
	}
}

func errorOf(message Message) error {
	if message.Type != "error" {
		return nil
	}
	return &Error{Code: message.Code, Message: message.Text, Retry: string(message.Retry) == "true", WaitMs: message.WaitMs}
}

func (c *connection) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, id)
}

// again calls that later, if the connection lives: the server has refused it for now.
func (c *connection) again(refusal *Error, ask func()) {
	wait := refusal.wait()
	if refusal.WaitMs > 0 {
		// Then there is room for one: whoever hammers is sent away (bye 4300), so all that wait do so in a line.
		c.mu.Lock()
		if next := time.Until(c.roomAt.Add(c.pause)); next > wait {
			wait = next
		}
		c.roomAt = time.Now().Add(wait)
		c.mu.Unlock()
	}
	time.AfterFunc(wait, func() {
		select {
		case <-c.closed:
		default:
			ask()
		}
	})
}

func (c *connection) send(message Message) error {
	body, err := WriteMessage(message)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(body) > c.frameBytes {
		return fmt.Errorf("a message of %d bytes: the server takes %d", len(body), c.frameBytes)
	}
	c.write(Frame(body))
	return nil
}

// write needs the lock. What cannot be written ends the connection, and the reader says why.
func (c *connection) write(frame []byte) {
	_ = c.socket.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := c.socket.Write(frame); err != nil {
		_ = c.socket.Close()
	}
}

func (c *connection) run() {
	c.ended = c.read()
	_ = c.socket.Close()
	close(c.closed)
}

func (c *connection) read() *Disconnected {
	decoder, chunk := NewDecoder(maxInboundBytes), make([]byte, readBytes)
	for {
		c.mu.Lock()
		patience := c.patience
		c.mu.Unlock()
		_ = c.socket.SetReadDeadline(time.Now().Add(patience))
		n, err := c.socket.Read(chunk)
		bodies, failure := decoder.Push(chunk[:n])
		for _, body := range bodies {
			if ended := c.receive(body); ended != nil {
				return ended
			}
		}
		switch {
		case failure != nil:
			return &Disconnected{Reason: failure.Error()}
		case err == io.EOF && decoder.IsEmpty():
			return &Disconnected{Reason: "the server closed"}
		case err == io.EOF:
			return &Disconnected{Reason: "the server closed inside a frame"}
		case err != nil:
			return &Disconnected{Reason: "connection lost: " + err.Error()}
		}
	}
}

func (c *connection) receive(body []byte) *Disconnected {
	if len(body) == 0 {
		c.mu.Lock()
		c.write(heartbeat)
		c.mu.Unlock()
		c.onMessage(c, Message{Type: "heartbeat", Raw: json.RawMessage(`{"type":"heartbeat"}`)})
		return nil
	}
	message, err := ReadMessage(body)
	if err != nil {
		return &Disconnected{Reason: "unreadable: " + err.Error()}
	}
	switch message.Type {
	case "bye":
		return &Disconnected{Reason: fmt.Sprintf("bye %d %s", message.Code, message.Text), Bye: &message}
	case "connected":
		c.mu.Lock()
		if message.Limits != nil && message.Heartbeat != nil {
			c.frameBytes = message.Limits.FrameBytes
			if rate := message.Limits.CommandsPerSecond; rate > 0 {
				c.pause = 1100 * time.Millisecond / time.Duration(rate) // a tenth is left for whatever else is asked
			}
			c.patience = time.Duration(message.Heartbeat.IntervalMs*latestHeartbeat/100+message.Heartbeat.TimeoutMs) * time.Millisecond
		}
		c.mu.Unlock()
	case "request", "cancel": // these have ids of the server's own
		c.onMessage(c, message)
		return nil
	}
	c.mu.Lock()
	answer, isAnswer := c.asked[message.ID]
	delete(c.asked, message.ID)
	c.mu.Unlock()
	// What concerns a channel is heard in order, so that it goes there even if it is an answer.
	if !isAnswer || message.Type == "subscribed" || message.Type == "unsubscribed" {
		c.onMessage(c, message)
	}
	if isAnswer {
		answer <- message
	}
	return nil
}
