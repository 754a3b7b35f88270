package longline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Position is a place in a channel: the offset last seen, and the epoch that it belongs to.
type Position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

// Sender is who a publication or a request is from.
type Sender struct {
	Connection string `json:"connection"`
	User       string `json:"user,omitempty"`
}

// Member is somebody who is present.
type Member struct {
	Sender
	JoinedAt uint64 `json:"joinedAt"`
}

// SessionKey proves that a connection goes on with a session.
type SessionKey struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	TTLMs uint64 `json:"ttlMs,omitempty"`
}

// A Message is any message of protocol.md, section 4, in either direction; what it has not is zero.
type Message struct {
	Type    string          `json:"type"`
	ID      uint32          `json:"id,omitempty"`
	Channel string          `json:"channel,omitempty"`
	Service string          `json:"service,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	// With Binary the data is a string of base64.
	Binary bool              `json:"binary,omitempty"`
	Key    string            `json:"key,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
	Echo   *bool             `json:"echo,omitempty"`

	Position  *Position `json:"position,omitempty"`
	Mode      string    `json:"mode,omitempty"`
	Presence  bool      `json:"presence,omitempty"`
	Since     *Position `json:"since,omitempty"`
	Limit     int       `json:"limit,omitempty"`
	Reverse   bool      `json:"reverse,omitempty"`
	TimeoutMs uint32    `json:"timeoutMs,omitempty"`

	Code   int             `json:"code,omitempty"`
	Text   string          `json:"message,omitempty"`
	Retry  json.RawMessage `json:"retry,omitempty"` // a boolean in an error, a word in a bye
	WaitMs uint64          `json:"waitMs,omitempty"`

	Version       int                `json:"version,omitempty"`
	Token         string             `json:"token,omitempty"`
	Session       *SessionKey        `json:"session,omitempty"`
	Client        *ClientName        `json:"client,omitempty"`
	Subscriptions json.RawMessage    `json:"subscriptions,omitempty"`
	Connection    string             `json:"connection,omitempty"`
	Resumed       bool               `json:"resumed,omitempty"`
	User          string             `json:"user,omitempty"`
	ExpiresAt     uint64             `json:"expiresAt,omitempty"`
	Heartbeat     *HeartbeatSettings `json:"heartbeat,omitempty"`
	Limits        *Limits            `json:"limits,omitempty"`
	Server        *ServerName        `json:"server,omitempty"`

	Offset       uint64    `json:"offset,omitempty"`
	Previous     uint64    `json:"previous,omitempty"`
	Epoch        string    `json:"epoch,omitempty"`
	Time         uint64    `json:"time,omitempty"`
	Duplicate    bool      `json:"duplicate,omitempty"`
	Recovered    string    `json:"recovered,omitempty"`
	Publications []Message `json:"publications,omitempty"`
	More         bool      `json:"more,omitempty"`
	Members      []Member  `json:"members,omitempty"`
	Joined       []Member  `json:"joined,omitempty"`
	Left         []Member  `json:"left,omitempty"`
	Count        uint64    `json:"count,omitempty"`
	To           uint64    `json:"to,omitempty"`

	// From is an offset in a `gap` (GapFrom) and a Sender elsewhere.
	From    json.RawMessage `json:"from,omitempty"`
	GapFrom uint64          `json:"-"`
	Sender  *Sender         `json:"-"`
	// Raw is the message as it came.
	Raw json.RawMessage `json:"-"`
}

// ClientName is what a client says of itself.
type ClientName struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// HeartbeatSettings say after how much silence the server is gone.
type HeartbeatSettings struct {
	IntervalMs uint64 `json:"intervalMs"`
	TimeoutMs  uint64 `json:"timeoutMs"`
}

// Limits are what the server takes.
type Limits struct {
	FrameBytes        int    `json:"frameBytes"`
	Subscriptions     uint64 `json:"subscriptions"`
	CommandsPerSecond uint64 `json:"commandsPerSecond"`
	OutboxBytes       uint64 `json:"outboxBytes"`
}

// ServerName is what a server says of itself.
type ServerName struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Node    string `json:"node"`
}

// UnmarshalJSON reads a message, or a publication in one.
func (m *Message) UnmarshalJSON(text []byte) error {
	type plain Message
	if err := json.Unmarshal(text, (*plain)(m)); err != nil {
		return err
	}
	m.Raw = append(json.RawMessage{}, text...)
	switch {
	case m.From == nil:
		return nil
	case m.Type == "gap":
		return json.Unmarshal(m.From, &m.GapFrom)
	default:
		return json.Unmarshal(m.From, &m.Sender)
	}
}

// ReadMessage reads a body. After an error the connection is worth nothing.
func ReadMessage(body []byte) (message Message, err error) {
	if err = json.Unmarshal(body, &message); err == nil && message.Type == "" {
		err = errors.New("a body that is no message")
	}
	return message, err
}

// WriteMessage writes a body.
func WriteMessage(message Message) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(message)
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), err
}

// An Error is an `error` message. A handler returns one, too, to refuse a request with a code of its own, from 200 on.
type Error struct {
	Code    int
	Message string
	Retry   bool
	WaitMs  uint64
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Message) }

// wait is how long to wait before it is tried again.
func (e *Error) wait() time.Duration {
	if e.WaitMs > 0 {
		return time.Duration(e.WaitMs) * time.Millisecond
	}
	return repeatAfter
}

// Disconnected means that the connection is over: what was asked on it may or may not have happened.
type Disconnected struct {
	Reason string
	// Bye is the server's last word; nil if it went without one.
	Bye *Message
}

func (d *Disconnected) Error() string { return d.Reason }
