package longline

import (
	"reflect"
	"testing"
)

func joinedAt(offset uint64) *Subscription {
	subscription := newSubscription("news", SubscribeOptions{})
	subscription.received(Message{Type: "subscribed", Position: &Position{Offset: offset, Epoch: "e"}})
	return subscription
}

func publicationAt(offset uint64) Message {
	return Message{Type: "publication", Offset: offset, Previous: offset - 1, Epoch: "e"}
}

func publishedAt(offset uint64, epoch string) Message {
	return Message{Type: "published", Offset: offset, Epoch: epoch}
}

func standsAt(t *testing.T, subscription *Subscription, offset uint64, unheard ...uint64) {
	t.Helper()
	kept := map[uint64]bool{}
	for _, each := range unheard {
		kept[each] = true
	}
	if want := (&Position{Offset: offset, Epoch: "e"}); !reflect.DeepEqual(subscription.position, want) {
		t.Errorf("stands at %v, not at %v", subscription.position, want)
	}
	if !reflect.DeepEqual(subscription.unheard, kept) {
		t.Errorf("keeps %v, not %v", subscription.unheard, kept)
	}
}

func TestWhoPublishesAloneMovesOnAndKeepsNothing(t *testing.T) {
	subscription := joinedAt(3)
	for offset := uint64(4); offset <= 1003; offset++ {
		subscription.toldUnheard(publishedAt(offset, "e"))
	}
	standsAt(t, subscription, 1003)
}

func TestWhatLiesBeyondOthersWaitsForThem(t *testing.T) {
	subscription := joinedAt(3)
	subscription.toldUnheard(publishedAt(5, "e"))
	standsAt(t, subscription, 3, 5)
	for _, offset := range []uint64{4, 6} {
		if told, rejoin := subscription.received(publicationAt(offset)); rejoin || len(told) != 1 {
			t.Errorf("%d is told as %v, rejoin %v", offset, told, rejoin)
		}
	}
	standsAt(t, subscription, 6)
}

func TestAGapMovesOverWhatFollowsIt(t *testing.T) {
	subscription := joinedAt(3)
	subscription.toldUnheard(publishedAt(7, "e"))
	subscription.received(Message{Type: "gap", To: 6})
	standsAt(t, subscription, 7)
}

func TestAnotherEpochMovesNothing(t *testing.T) {
	subscription := joinedAt(3)
	subscription.toldUnheard(publishedAt(4, "other"))
	standsAt(t, subscription, 3)
}
