package longline

import (
	"context"
	"sync"
)

// A Subscription is one channel as its reader follows it: each publication once and in order, over connections
// (protocol.md, section 9). Where something is lost, the reader is told: `subscribed` with Recovered "no", or `gap`.
type Subscription struct {
	// C gives `subscribed` (after each reconnect, too), `publication`, `gap`, `presenceChanged` and at last
	// `unsubscribed`, and is closed then. Who does not read it makes the connection stop reading, with all it is for.
	C <-chan Message

	channel  string
	options  SubscribeOptions
	messages chan Message
	refused  chan *Error
	onJoined func()
	joinOnce sync.Once
	// Whoever tells something may be about to when the subscription is over.
	telling sync.Mutex
	isOver  chan struct{}
	overOne sync.Once

	// Guarded by the client. Nothing of the channel counts between the question and its answer.
	position *Position
	isJoined bool
	// Whoever was heard once is asked for again after an error that is one for now only.
	wasJoined bool
	// The program waits for its `unsubscribed`.
	isLeaving bool
	// The id of the `unsubscribe` that is the first half of joining again.
	mending uint32
	unheard map[uint64]bool
}

// SubscribeOptions say what is wanted of a channel.
type SubscribeOptions struct {
	// Position to go on from; nil is from now on.
	Position *Position
	// Mode is "stream" (default), "latest" or "live".
	Mode string
	// Presence: be listed as present, and be told of others.
	Presence bool
}

const subscriptionBuffer = 256

func newSubscription(channel string, options SubscribeOptions) *Subscription {
	messages := make(chan Message, subscriptionBuffer)
	return &Subscription{
		C: messages, channel: channel, options: options, messages: messages, refused: make(chan *Error, 1),
		isOver: make(chan struct{}), position: options.Position, unheard: map[uint64]bool{},
	}
}

// entry is what to ask for, from where the reader stands.
func (s *Subscription) entry() Message {
	return Message{Type: "subscribe", Channel: s.channel, Position: s.position, Mode: s.options.Mode, Presence: s.options.Presence}
}

// received gives what the reader is to be told, and whether the channel has to be joined again: something is missing
// before this publication.
func (s *Subscription) received(message Message) (told []Message, rejoin bool) {
	switch message.Type {
	case "subscribed":
		return s.joined(message), false
	case "unsubscribed":
		// With an id of the program's own it is the last, also of a channel that is not joined at the moment.
		return []Message{message}, false
	}
	if !s.isJoined {
		return nil, false
	}
	switch message.Type {
	case "publication":
		return s.published(message)
	case "gap":
		if message.To > s.position.Offset {
			s.reach(&Position{Offset: message.To, Epoch: s.position.Epoch})
		}
	}
	return []Message{message}, false
}

func (s *Subscription) joined(answer Message) []Message {
	s.isJoined, s.wasJoined, s.unheard = true, true, map[uint64]bool{}
	publications := answer.Publications
	if !answer.More {
		s.position = answer.Position
	} else if len(publications) > 0 { // the rest comes behind, and is recognized by what it follows
		s.position = positionOf(publications[len(publications)-1])
	}
	answer.Publications = nil
	return append([]Message{answer}, publications...)
}

func (s *Subscription) published(publication Message) (told []Message, rejoin bool) {
	if publication.Epoch == s.position.Epoch && publication.Offset <= s.position.Offset {
		return nil, false
	}
	isMissing := publication.Previous > s.position.Offset && !s.unheard[publication.Previous]
	if publication.Epoch != s.position.Epoch || isMissing {
		s.isJoined = false
		return nil, true
	}
	s.reach(positionOf(publication))
	return []Message{publication}, false
}

// reach moves there, and over what follows at once and is not heard: who publishes alone leaves nothing behind.
func (s *Subscription) reach(position *Position) {
	offset := position.Offset
	for s.unheard[offset+1] {
		offset++
	}
	for unheard := range s.unheard {
		if unheard <= offset {
			delete(s.unheard, unheard)
		}
	}
	s.position = &Position{Offset: offset, Epoch: position.Epoch}
}

// tell waits for room, and not beyond the end of the subscription or the client.
func (s *Subscription) tell(ctx context.Context, message Message) {
	s.telling.Lock()
	defer s.telling.Unlock()
	select {
	case <-s.isOver:
	default:
		select {
		case s.messages <- message:
		case <-s.isOver:
		case <-ctx.Done():
		}
	}
	if message.Type == "subscribed" {
		s.joinOnce.Do(s.onJoined)
	}
}

// close ends what the reader hears.
func (s *Subscription) close() {
	s.overOne.Do(func() {
		close(s.isOver)
		s.telling.Lock()
		defer s.telling.Unlock()
		close(s.messages)
	})
}

// toldUnheard is told of a publication that is not heard here (echo false): it counts as heard.
func (s *Subscription) toldUnheard(published Message) {
	if s.isJoined && published.Epoch == s.position.Epoch && published.Offset > s.position.Offset {
		s.unheard[published.Offset] = true
		s.reach(s.position)
	}
}

func positionOf(publication Message) *Position {
	return &Position{Offset: publication.Offset, Epoch: publication.Epoch}
}
