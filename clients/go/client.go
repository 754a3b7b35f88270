// Package longline is a client of Longline's protocol (docs/protocol.md, version 1): JSON over TCP, TLS or a unix socket,
// with nothing but the standard library. It stays connected (full jitter, session, positions, services), repeats
// publications until it is known what became of them, and hides nothing that is lost.
package longline

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"time"
)

// Keys are remembered for 5 minutes: one that is forgotten would be published twice.
const publishTimeout = 4 * time.Minute

// Options say where the gateway is, and who the client.
type Options struct {
	// Network is "tcp" (default) or "unix".
	Network string
	// Address is HOST:PORT or a path.
	Address string
	TLS     *tls.Config
	// Token is asked before each connection; nil has none.
	Token func() (string, error)
	// OnEvent hears what answers no question: `connected`, `disconnected` and `refused` of the client's own, `notice`,
	// stray errors, `heartbeat`. The next read waits for it.
	OnEvent func(Message)
	// Once: do not reconnect.
	Once bool
}

// A Handler answers requests for a service; its context ends when nobody waits any more.
type Handler func(ctx context.Context, data json.RawMessage) (any, error)

type service struct {
	handler  Handler
	underWay sync.WaitGroup
}

// A Client is safe for concurrent use.
type Client struct {
	options Options
	ctx     context.Context
	cancel  context.CancelFunc
	// Closed when there will be no connection any more; ended says why.
	done  chan struct{}
	ended error

	mu            sync.Mutex
	up            chan struct{} // closed while there is a connection
	connection    *connection
	session       *SessionKey
	subscriptions map[string]*Subscription
	services      map[string]*service
	answering     map[uint32]context.CancelFunc
}

// Connect dials, and waits for the first connection.
func Connect(ctx context.Context, options Options) (*Client, error) {
	if options.Network == "" {
		options.Network = "tcp"
	}
	if options.OnEvent == nil {
		options.OnEvent = func(Message) {}
	}
	c := &Client{
		options: options, done: make(chan struct{}), up: make(chan struct{}),
		subscriptions: map[string]*Subscription{}, services: map[string]*service{}, answering: map[uint32]context.CancelFunc{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	go c.stay()
	if _, err := c.current(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection, and all that waits.
func (c *Client) Close() {
	c.cancel()
	<-c.done
}

// Done is closed when there will be no connection any more; Err says why then.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why there will be no connection any more.
func (c *Client) Err() error { return c.ended }

// Subscribe joins a channel, and waits until it is heard.
func (c *Client) Subscribe(ctx context.Context, channel string, options SubscribeOptions) (*Subscription, error) {
	c.mu.Lock()
	if c.subscriptions[channel] != nil {
		c.mu.Unlock()
		return nil, &Error{Code: 105, Message: "already subscribed to " + channel}
	}
	subscription := newSubscription(channel, options)
	joined := make(chan struct{})
	subscription.onJoined = func() { close(joined) }
	c.subscriptions[channel] = subscription
	if c.connection != nil {
		c.join(c.connection, subscription)
	}
	c.mu.Unlock()
	var err error
	select {
	case <-joined:
		return subscription, nil
	case refusal := <-subscription.refused:
		return nil, refusal
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.done:
		err = c.ended
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.subscriptions, channel)
	if c.connection != nil {
		_, _, _ = c.connection.start(Message{Type: "unsubscribe", Channel: channel})
	}
	return nil, err
}

// Unsubscribe leaves a channel; `unsubscribed` is the last of its subscription.
func (c *Client) Unsubscribe(ctx context.Context, channel string) error {
	c.leaving(channel, true)
	defer c.leaving(channel, false)
	_, err := c.safely(ctx, Message{Type: "unsubscribe", Channel: channel})
	return err
}

// PublishOptions go with a publication.
type PublishOptions struct {
	// Key makes it count once, however often it is sent; one is made up otherwise.
	Key  string
	Tags map[string]string
	// Silent: not heard by this client itself.
	Silent bool
}

// Publish repeats a publication, over reconnects, until it is known what became of it. After
// context.DeadlineExceeded it is not known.
func (c *Client) Publish(ctx context.Context, channel string, data any, options PublishOptions) (Message, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return Message{}, err
	}
	message := Message{Type: "publish", Channel: channel, Data: text, Key: options.Key, Tags: options.Tags}
	if message.Key == "" {
		random := make([]byte, 16)
		if _, err := rand.Read(random); err != nil {
			return Message{}, err
		}
		message.Key = hex.EncodeToString(random)
	}
	if options.Silent {
		message.Echo = new(bool)
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	for {
		published, err := c.safely(ctx, message)
		var refusal *Error
		if errors.As(err, &refusal) && refusal.Retry {
			select {
			case <-time.After(refusal.wait()):
				continue
			case <-ctx.Done():
				return Message{}, ctx.Err()
			}
		}
		if err == nil && options.Silent {
			c.toldUnheard(channel, published)
		}
		return published, err
	}
}

// Request asks a service, and gives the data of the answer. What ends the context cancels the request as well; after a
// *Disconnected its outcome is unknown.
func (c *Client) Request(ctx context.Context, service string, data any) (json.RawMessage, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	message := Message{Type: "request", Service: service, Data: text}
	if deadline, ok := ctx.Deadline(); ok {
		message.TimeoutMs = uint32(max(1, time.Until(deadline).Milliseconds()))
	}
	connection, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	id, answer, err := connection.start(message)
	if err != nil {
		return nil, err
	}
	response, err := connection.await(ctx, answer)
	if err != nil && err == ctx.Err() {
		_ = connection.send(Message{Type: "cancel", ID: id})
	}
	return response.Data, err
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

// Serve answers requests for a service, each in a goroutine of its own, until Unserve.
func (c *Client) Serve(ctx context.Context, name string, handler Handler) error {
	c.mu.Lock()
	c.services[name] = &service{handler: handler}
	c.mu.Unlock()
	_, err := c.safely(ctx, Message{Type: "serve", Service: name})
	var refusal *Error
	if errors.As(err, &refusal) {
		c.mu.Lock()
		delete(c.services, name)
		c.mu.Unlock()
	}
	return err
}

// Unserve takes no more requests, and waits until those under way are answered.
func (c *Client) Unserve(ctx context.Context, name string) error {
	c.mu.Lock()
	service := c.services[name]
	delete(c.services, name)
	c.mu.Unlock()
	_, err := c.safely(ctx, Message{Type: "unserve", Service: name})
	if service != nil {
		service.underWay.Wait()
	}
	return err
}

// HistoryOptions say what to read.
type HistoryOptions struct {
	Since   *Position
	Limit   int
	Reverse bool
}

// History reads what was published.
func (c *Client) History(ctx context.Context, channel string, options HistoryOptions) (Message, error) {
	return c.safely(ctx, Message{Type: "history", Channel: channel, Since: options.Since, Limit: options.Limit, Reverse: options.Reverse})
}

// Presence says who is there: Members, and their Count.
func (c *Client) Presence(ctx context.Context, channel string) (Message, error) {
	return c.safely(ctx, Message{Type: "presence", Channel: channel})
}

// Refresh gives the server a new token before the old one expires.
func (c *Client) Refresh(ctx context.Context, token string) (Message, error) {
	return c.safely(ctx, Message{Type: "refresh", Token: token})
}

// current is the connection of the moment, or waits for one.
func (c *Client) current(ctx context.Context) (*connection, error) {
	for {
		c.mu.Lock()
		connection, up := c.connection, c.up
		c.mu.Unlock()
		if connection != nil {
			return connection, nil
		}
		select {
		case <-up:
		case <-c.done:
			return nil, c.ended
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// safely asks again on the next connection: what does no harm when it happens twice.
func (c *Client) safely(ctx context.Context, message Message) (Message, error) {
	for {
		connection, err := c.current(ctx)
		if err != nil {
			return Message{}, err
		}
		answer, err := connection.ask(ctx, message)
		var ended *Disconnected
		if !errors.As(err, &ended) {
			return answer, err
		}
		c.down(connection)
	}
}

func (c *Client) leaving(channel string, isLeaving bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if subscription := c.subscriptions[channel]; subscription != nil {
		subscription.isLeaving = isLeaving
	}
}

func (c *Client) toldUnheard(channel string, published Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if subscription := c.subscriptions[channel]; subscription != nil {
		subscription.toldUnheard(published)
	}
}

func (c *Client) dial() (net.Conn, error) {
	dialer := &net.Dialer{Timeout: connectTimeout}
	if c.options.TLS != nil {
		secure := tls.Dialer{NetDialer: dialer, Config: c.options.TLS}
		return secure.DialContext(c.ctx, c.options.Network, c.options.Address)
	}
	return dialer.DialContext(c.ctx, c.options.Network, c.options.Address)
}
