"""What a subscription makes of what it is told, without a connection: python3 -m unittest"""

import unittest

from longline.subscription import Subscription


def joined(offset):
    heard = []
    subscription = Subscription("news", heard.append, {})
    subscription.joined({"type": "subscribed", "publications": [], "position": {"offset": offset, "epoch": "e"}})
    heard.clear()
    return subscription, heard


def publication(offset):
    return {"type": "publication", "offset": offset, "previous": offset - 1, "epoch": "e"}


def published(offset, epoch="e"):
    return {"type": "published", "offset": offset, "epoch": epoch}


class Unheard(unittest.TestCase):
    def test_who_publishes_alone_moves_on_and_keeps_nothing(self):
        subscription, _ = joined(3)
        for offset in range(4, 1004):
            subscription.told_unheard(published(offset))
        self.assertEqual(subscription.position, {"offset": 1003, "epoch": "e"})
        self.assertEqual(subscription._unheard, set())

    def test_what_lies_beyond_others_waits_for_them(self):
        subscription, heard = joined(3)
        subscription.told_unheard(published(5))
        self.assertEqual(subscription.position, {"offset": 3, "epoch": "e"})
        self.assertFalse(subscription.received(publication(4)))
        self.assertEqual(subscription.position, {"offset": 5, "epoch": "e"})
        self.assertFalse(subscription.received(publication(6)))
        self.assertEqual(heard, [publication(4), publication(6)])

    def test_a_gap_moves_over_what_follows_it(self):
        subscription, _ = joined(3)
        subscription.told_unheard(published(7))
        subscription.received({"type": "gap", "from": 4, "to": 6})
        self.assertEqual(subscription.position, {"offset": 7, "epoch": "e"})

    def test_another_epoch_moves_nothing(self):
        subscription, _ = joined(3)
        subscription.told_unheard(published(4, "other"))
        self.assertEqual(subscription.position, {"offset": 3, "epoch": "e"})


if __name__ == "__main__":
    unittest.main()
