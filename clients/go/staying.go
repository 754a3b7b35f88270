package longline

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// stay is one connection after the other, until the client is closed or told never to come back.
func (c *Client) stay() {
	waits := newBackoff()
	for {
		began := time.Now()
		ended := c.live()
		var bye *Message
		var gone *Disconnected
		if errors.As(ended, &gone) {
			bye = gone.Bye
		}
		// Without a way to a new token the old one would be shown, and refused, again and again.
		isLast := bye != nil && (string(bye.Retry) == `"never"` || string(bye.Retry) == `"reauth"` && c.options.Token == nil)
		if c.options.Once || isLast || c.ctx.Err() != nil {
			c.end(ended)
			return
		}
		wait := waits.next(time.Since(began), bye)
		c.options.OnEvent(Message{Type: "disconnected", Text: ended.Error(), WaitMs: uint64(wait.Milliseconds())})
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			c.end(c.ctx.Err())
			return
		}
	}
}

func (c *Client) end(why error) {
	c.cancel()
	c.ended = why
	close(c.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	for channel := range c.subscriptions {
		c.over(channel)
	}
}

// live is one connection, from its dial to its end.
func (c *Client) live() error {
	message := Message{Type: "connect", Version: 1, Session: c.session, Client: &ClientName{Name: "longline-go", Version: "1"}}
	if c.options.Token != nil {
		token, err := c.options.Token()
		if err != nil {
			return err
		}
		message.Token = token
	}
	socket, err := c.dial()
	if err != nil {
		return err
	}
	connection := newConnection(socket, c.received)
	defer func() {
		_ = socket.Close()
		<-connection.closed
		c.down(connection)
	}()
	ctx, cancel := context.WithTimeout(c.ctx, connectTimeout)
	defer cancel()
	connected, err := connection.ask(ctx, message)
	if err != nil {
		return err
	}
	c.session = &SessionKey{ID: connected.Session.ID, Key: connected.Session.Key}
	c.begin(connection)
	c.options.OnEvent(Message{Type: "connected", Connection: connected.Connection, Resumed: connected.Resumed})
	select {
	case <-connection.closed:
		return connection.ended
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// begin sends again what the server has forgotten, and lets everybody at the connection.
func (c *Client) begin(connection *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, subscription := range c.subscriptions {
		c.join(connection, subscription)
	}
	for name, service := range c.services {
		c.offer(connection, name, service)
	}
	c.connection = connection
	close(c.up)
}

func (c *Client) down(connection *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connection != connection {
		return
	}
	c.connection, c.up = nil, make(chan struct{})
	for _, subscription := range c.subscriptions {
		subscription.isJoined, subscription.mending = false, 0
	}
	for id, cancel := range c.answering {
		cancel()
		delete(c.answering, id)
	}
}

// join needs the lock.
func (c *Client) join(connection *connection, subscription *Subscription) {
	_, answer, err := connection.start(subscription.entry())
	if err != nil {
		return // the next connection joins it
	}
	go func() {
		_, err := connection.await(context.Background(), answer)
		var refusal *Error
		if !errors.As(err, &refusal) {
			return
		}
		c.mu.Lock()
		isOver := c.subscriptions[subscription.channel] != subscription
		isForNow := refusal.Retry && subscription.wasJoined
		if !isOver && !isForNow {
			c.over(subscription.channel)
		}
		c.mu.Unlock()
		switch {
		case isOver:
		case isForNow:
			connection.again(refusal, func() { c.rejoin(connection, subscription) })
		default:
			subscription.refused <- refusal
			c.options.OnEvent(Message{Type: "refused", Channel: subscription.channel, Code: refusal.Code, Text: refusal.Message})
		}
	}()
}

func (c *Client) rejoin(connection *connection, subscription *Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subscriptions[subscription.channel] == subscription && !subscription.isLeaving {
		c.join(connection, subscription)
	}
}

// offer says again what is served; it needs the lock. An error that is not one for now is told.
func (c *Client) offer(connection *connection, name string, offered *service) {
	_, answer, err := connection.start(Message{Type: "serve", Service: name})
	if err != nil {
		return // the next connection offers it
	}
	go func() {
		_, err := connection.await(context.Background(), answer)
		var refusal *Error
		if !errors.As(err, &refusal) {
			return
		}
		if refusal.Retry {
			connection.again(refusal, func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				if c.services[name] == offered {
					c.offer(connection, name, offered)
				}
			})
			return
		}
		c.mu.Lock()
		isOver := c.services[name] != offered
		if !isOver {
			delete(c.services, name)
		}
		c.mu.Unlock()
		if !isOver {
			c.options.OnEvent(Message{Type: "refused", Service: name, Code: refusal.Code, Text: refusal.Message})
		}
	}()
}

// over needs the lock.
func (c *Client) over(channel string) {
	c.subscriptions[channel].close()
	delete(c.subscriptions, channel)
}

// received runs on the reading goroutine of the one connection there is.
func (c *Client) received(connection *connection, message Message) {
	switch message.Type {
	case "request":
		c.requested(connection, message)
		return
	case "cancel":
		c.mu.Lock()
		defer c.mu.Unlock()
		if cancel := c.answering[message.ID]; cancel != nil {
			cancel()
		}
		return
	}
	c.mu.Lock()
	subscription := c.subscriptions[message.Channel]
	if subscription == nil {
		c.mu.Unlock()
		if message.ID == 0 {
			c.options.OnEvent(message)
		}
		return
	}
	// Otherwise it is the first half of joining again.
	isLast := message.Type == "unsubscribed" &&
		(subscription.isJoined || message.ID != 0 && message.ID != subscription.mending)
	if message.Type == "unsubscribed" && !isLast {
		c.mu.Unlock()
		return
	}
	told, rejoin := subscription.received(message)
	if isLast {
		delete(c.subscriptions, message.Channel)
	}
	if rejoin && !subscription.isLeaving {
		subscription.mending, _, _ = connection.start(Message{Type: "unsubscribe", Channel: message.Channel})
		c.join(connection, subscription)
	}
	c.mu.Unlock()
	for _, message := range told {
		subscription.tell(c.ctx, message)
	}
	if isLast {
		subscription.close()
	}
}

func (c *Client) requested(connection *connection, request Message) {
	ctx, cancel := context.WithCancel(c.ctx)
	c.mu.Lock()
	service := c.services[request.Service]
	c.answering[request.ID] = cancel
	if service != nil {
		service.underWay.Add(1)
	}
	c.mu.Unlock()
	go func() {
		if service != nil {
			defer service.underWay.Done()
		}
		answer := respond(ctx, service, request)
		c.mu.Lock()
		delete(c.answering, request.ID)
		c.mu.Unlock()
		cancel()
		_ = connection.send(answer)
	}()
}

func respond(ctx context.Context, service *service, request Message) Message {
	refuse := func(code int, text string, retry string) Message {
		return Message{Type: "error", ID: request.ID, Code: code, Text: text, Retry: json.RawMessage(retry)}
	}
	if service == nil {
		return refuse(114, request.Service+" is not served here", "true")
	}
	value, err := service.handler(ctx, request.Data)
	var refusal *Error
	if errors.As(err, &refusal) {
		retry, _ := json.Marshal(refusal.Retry)
		return refuse(refusal.Code, refusal.Message, string(retry))
	}
	text, broken := json.Marshal(value)
	if err != nil || broken != nil {
		return refuse(100, "the responder failed", "true")
	}
	return Message{Type: "response", ID: request.ID, Data: text}
}
