package longline

import (
	"math/rand"
	"time"
)

const (
	firstCeiling = 500 * time.Millisecond // protocol.md, section 9
	lastCeiling  = 20 * time.Second
	healthyAfter = 30 * time.Second
)

// A backoff says how long to wait before the next attempt to connect: full jitter. It waits for nothing itself.
type backoff struct {
	attempt int
	random  *rand.Rand
}

func newBackoff() *backoff { return &backoff{random: rand.New(rand.NewSource(time.Now().UnixNano()))} }

func (b *backoff) next(lived time.Duration, bye *Message) time.Duration {
	if lived >= healthyAfter {
		b.attempt = 0
	}
	ceiling := lastCeiling
	if b.attempt < 6 {
		ceiling = firstCeiling << b.attempt
	}
	isFirst := b.attempt == 0
	b.attempt++
	var least time.Duration
	if bye != nil {
		least = time.Duration(bye.WaitMs) * time.Millisecond
		// At once, but once: advice that is heeded again and again would be a storm.
		if string(bye.Retry) == `"now"` && isFirst {
			return least
		}
	}
	return least + time.Duration(b.random.Int63n(int64(ceiling)))
}
