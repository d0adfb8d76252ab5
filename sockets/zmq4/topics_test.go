package zmq4

import (
	"slices"
	"strings"
	"testing"
)

// FuzzTopics changes a tree by operations, three bytes and a topic each, and compares it with
// a list of all subscriptions.
func FuzzTopics(f *testing.F) {
	for _, seed := range []string{"", "\x00\x01\x00\x01\x01\x00", "\x00\x03\x00abc\x00\x02\x01abd\x01\x03\x00abc\x00\x00\x02", "\x00\x04\x00aaaa\x00\x02\x00aa\x01\x02\x00aa\x00\x01\x03b"} {
		f.Add([]byte(seed), []byte("abcd"))
	}
	f.Fuzz(func(t *testing.T, ops, message []byte) {
		type subscription struct {
			topic string
			pipe  *pipe
		}
		pipes := []*pipe{{}, {}, {}, {}}
		var tree topicTree
		var all []subscription
		for len(ops) >= 3 {
			removes, size, p := ops[0]%2 == 1, int(ops[1]), pipes[ops[2]%4]
			ops = ops[3:]
			size = min(size, len(ops))
			s := subscription{string(ops[:size]), p}
			ops = ops[size:]
			i := slices.Index(all, s)
			switch {
			case !removes && i < 0:
				tree.add(s.topic, p)
				all = append(all, s)
			case removes && i >= 0:
				tree.remove(s.topic, p)
				all = slices.Delete(all, i, i+1)
			}
			count := 0
			for _, other := range all {
				if other.topic == s.topic {
					count++
				}
			}
			if n := tree.count(s.topic); n != count {
				t.Fatalf("%d pipes have %q, want %d", n, s.topic, count)
			}
		}
		got, want := map[*pipe]int{}, map[*pipe]int{}
		tree.match(message, func(matching []*pipe) {
			for _, p := range matching {
				got[p]++
			}
		})
		for _, s := range all {
			if strings.HasPrefix(string(message), s.topic) {
				want[s.pipe]++
			}
		}
		for _, p := range pipes {
			if got[p] != want[p] {
				t.Fatalf("message %q matches %d topics of a pipe, want %d", message, got[p], want[p])
			}
		}
		if len(all) == 0 && len(tree.kids) != 0 {
			t.Fatal("an empty tree keeps nodes")
		}
	})
}
