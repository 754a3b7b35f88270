// Command longline is the client as a command: it prints a JSON line for all that it hears, without the ids of messages.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"longline"
)

const usage = `longline [flags] sub CHANNEL | pub CHANNEL JSON|- | hist CHANNEL | pres CHANNEL | serve SERVICE | req SERVICE JSON
Prints JSON lines. Exits with 0, 1 (error), 2 (usage) or 3 (disconnected).
`

var (
	flags     = flag.NewFlagSet("longline", flag.ExitOnError)
	host      = flags.String("host", "127.0.0.1", "")
	port      = flags.Int("port", 7557, "")
	unix      = flags.String("unix", "", "path of a unix socket")
	tlsCA     = flags.String("tls-ca", "", "speak TLS and trust the authority in this file")
	token     = flags.String("token", "", "")
	once      = flags.Bool("once", false, "do not reconnect")
	count     = flags.Int("count", 0, "sub, serve: leave after so many")
	mode      = flags.String("mode", "", "sub: stream, latest or live")
	presence  = flags.Bool("presence", false, "sub: be present, and be told of others")
	key       = flags.String("key", "", "pub: publish once for this key")
	limit     = flags.Int("limit", 0, "hist: so many publications")
	reverse   = flags.Bool("reverse", false, "hist: newest first")
	timeoutMs = flags.Int("timeout-ms", 10_000, "req: wait so long")
)

func main() {
	flags.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flags.PrintDefaults()
	}
	words := parse(os.Args[1:])
	verbs := map[string]struct {
		words int
		run   func(context.Context, *longline.Client, []string) error
	}{
		"sub": {2, sub}, "pub": {3, pub}, "hist": {2, hist}, "pres": {2, pres}, "serve": {2, serve}, "req": {3, req},
	}
	if len(words) == 0 || verbs[words[0]].words != len(words) {
		flags.Usage()
		os.Exit(2)
	}
	os.Exit(exitCode(with(words, verbs[words[0]].run)))
}

// Flags may stand anywhere.
func parse(args []string) (words []string) {
	for _ = flags.Parse(args); flags.NArg() > 0; _ = flags.Parse(args) {
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
	return words
}

func with(words []string, run func(context.Context, *longline.Client, []string) error) error {
	options := longline.Options{Address: fmt.Sprintf("%s:%d", *host, *port), OnEvent: event, Once: *once}
	if *unix != "" {
		options.Network, options.Address = "unix", *unix
	}
	if *token != "" {
		options.Token = func() (string, error) { return *token, nil }
	}
	if *tlsCA != "" {
		certificates, err := os.ReadFile(*tlsCA)
		if err != nil {
			return err
		}
		options.TLS = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: *host}
		options.TLS.RootCAs.AppendCertsFromPEM(certificates)
	}
	ctx := context.Background()
	client, err := longline.Connect(ctx, options)
	if err != nil {
		return err
	}
	defer client.Close()
	return run(ctx, client, words[1:])
}

func exitCode(err error) int {
	var refusal *longline.Error
	var gone *longline.Disconnected
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refusal):
		show(map[string]any{"type": "error", "code": refusal.Code, "message": refusal.Message, "retry": refusal.Retry})
		return 1
	case errors.As(err, &gone) && gone.Bye != nil:
		showRaw(gone.Bye.Raw)
	default:
		show(map[string]any{"type": "lost", "message": err.Error()})
	}
	return 3
}

func show(value any) {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
}

func showRaw(raw json.RawMessage, without ...string) {
	var message map[string]json.RawMessage
	_ = json.Unmarshal(raw, &message)
	for _, name := range append(without, "id") {
		delete(message, name)
	}
	show(message)
}

// What the client says is for people, and what the server says is for programs.
func event(message longline.Message) {
	if message.Raw != nil {
		showRaw(message.Raw)
		return
	}
	text, _ := longline.WriteMessage(message)
	fmt.Fprintf(os.Stderr, "longline: %s\n", text)
}

func sub(ctx context.Context, client *longline.Client, words []string) error {
	subscription, err := client.Subscribe(ctx, words[0], longline.SubscribeOptions{Mode: *mode, Presence: *presence})
	if err != nil {
		return err
	}
	heard := 0
	for message := range subscription.C {
		showRaw(message.Raw, "publications")
		if message.Type == "publication" {
			heard++
		}
		if heard > 0 && heard == *count {
			return client.Unsubscribe(ctx, words[0])
		}
	}
	return client.Err()
}

func pub(ctx context.Context, client *longline.Client, words []string) error {
	publish := func(text string) error {
		published, err := client.Publish(ctx, words[0], json.RawMessage(text), longline.PublishOptions{Key: *key})
		if err == nil {
			showRaw(published.Raw)
		}
		return err
	}
	if words[1] != "-" {
		return publish(words[1])
	}
	// One behind the other: what is acknowledged is in the order of the lines.
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := publish(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func hist(ctx context.Context, client *longline.Client, words []string) error {
	history, err := client.History(ctx, words[0], longline.HistoryOptions{Limit: *limit, Reverse: *reverse})
	if err == nil {
		showRaw(history.Raw)
	}
	return err
}

func pres(ctx context.Context, client *longline.Client, words []string) error {
	present, err := client.Presence(ctx, words[0])
	if err == nil {
		showRaw(present.Raw)
	}
	return err
}

// Strings in capitals, everything else as it came.
func serve(ctx context.Context, client *longline.Client, words []string) error {
	answered := make(chan struct{}, 1)
	handler := func(_ context.Context, data json.RawMessage) (any, error) {
		show(map[string]any{"type": "request", "service": words[0], "data": data})
		defer func() { answered <- struct{}{} }()
		var text string
		if json.Unmarshal(data, &text) == nil {
			return strings.ToUpper(text), nil
		}
		return data, nil
	}
	if err := client.Serve(ctx, words[0], handler); err != nil {
		return err
	}
	show(map[string]any{"type": "serving", "service": words[0]})
	for left := *count; ; {
		select {
		case <-answered:
			if left--; left == 0 {
				err := client.Unserve(ctx, words[0])
				show(map[string]any{"type": "unserved", "service": words[0]})
				return err
			}
		case <-client.Done():
			return client.Err()
		}
	}
}

func req(ctx context.Context, client *longline.Client, words []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(*timeoutMs)*time.Millisecond)
	defer cancel()
	data, err := client.Request(ctx, words[0], json.RawMessage(words[1]))
	if err == nil {
		show(map[string]any{"type": "response", "data": data})
	}
	return err
}
