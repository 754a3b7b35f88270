package longline

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"
)

const (
	connectedText = `{"type":"connected","id":%d,"connection":"c","session":{"id":"c","key":"k","ttlMs":60000},"resumed":false,` +
		`"heartbeat":{"intervalMs":25000,"timeoutMs":10000},"limits":{"frameBytes":65536,"subscriptions":1000,` +
		`"commandsPerSecond":1000,"outboxBytes":1048576},"server":{"name":"test","version":"1","node":"n"},"time":1}`
	subscribedText = `{"type":"subscribed","id":%d,"channel":"news","position":{"offset":1,"epoch":"e"},"recovered":"none","publications":[]}`
	busyText       = `{"type":"error","id":%d,"code":113,"message":"busy","retry":true,"waitMs":1}`
	neverText      = `{"type":"error","id":%d,"code":103,"message":"not allowed","retry":false}`
)

// serve answers each connection as its script says, message by message, and ends it with the script if another follows.
func serve(listener net.Listener, scripts [][]string) {
	for index, script := range scripts {
		socket, err := listener.Accept()
		if err != nil {
			return
		}
		decoder, chunk := NewDecoder(64*1024), make([]byte, 64*1024)
		for len(script) > 0 {
			count, err := socket.Read(chunk)
			if err != nil {
				return
			}
			bodies, _ := decoder.Push(chunk[:count])
			for _, body := range bodies {
				message, _ := ReadMessage(body)
				_, _ = socket.Write(Frame([]byte(fmt.Sprintf(script[0], message.ID))))
				script = script[1:]
			}
		}
		if index < len(scripts)-1 {
			_ = socket.Close()
		}
	}
}

// told is what the reader and OnEvent hear, until the channel is joined for the second time or refused.
func told(t *testing.T, scripts ...[]string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go serve(listener, scripts)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	refused := make(chan struct{}, 1)
	client, err := Connect(ctx, Options{Address: listener.Addr().String(), OnEvent: func(event Message) {
		if event.Type == "refused" {
			refused <- struct{}{}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	subscription, err := client.Subscribe(ctx, "news", SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	<-subscription.C
	select {
	case message := <-subscription.C:
		if message.Type != "" {
			return message.Type
		}
		<-refused
		return "refused"
	case <-ctx.Done():
		return "nothing"
	}
}

func TestARefusalWithRetryIsAskedAgain(t *testing.T) {
	heard := told(t, []string{connectedText, subscribedText}, []string{connectedText, busyText, busyText, subscribedText})
	if heard != "subscribed" {
		t.Errorf("the reader is told %s", heard)
	}
}

func TestARefusalWithoutRetryIsTheEnd(t *testing.T) {
	if heard := told(t, []string{connectedText, subscribedText}, []string{connectedText, neverText}); heard != "refused" {
		t.Errorf("the reader is told %s", heard)
	}
}
