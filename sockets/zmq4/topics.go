package zmq4

import (
	"slices"
	"strings"
)

// topicTree finds the pipes that have subscribed to a prefix of a message. It is a radix
// tree, so that a long topic takes a node, and not a node for each byte.
type topicTree struct {
	text  string // what this node adds to its parent
	kids  []*topicTree
	pipes []*pipe
}

// add adds a pipe to a topic.
func (t *topicTree) add(topic string, p *pipe) {
	if topic == "" {
		t.pipes = append(t.pipes, p)
		return
	}
	i, ok := t.find(topic[0])
	if !ok {
		t.kids = slices.Insert(t.kids, i, &topicTree{text: topic, pipes: []*pipe{p}})
		return
	}
	kid := t.kids[i]
	n := commonPrefix(kid.text, topic)
	if n < len(kid.text) {
		upper := &topicTree{text: kid.text[:n], kids: []*topicTree{kid}}
		kid.text = kid.text[n:]
		t.kids[i], kid = upper, upper
	}
	kid.add(topic[n:], p)
}

// remove removes a pipe from a topic that has it.
func (t *topicTree) remove(topic string, p *pipe) {
	if topic == "" {
		if i := slices.Index(t.pipes, p); i >= 0 {
			t.pipes = slices.Delete(t.pipes, i, i+1)
		}
		return
	}
	i, ok := t.find(topic[0])
	if !ok || !strings.HasPrefix(topic, t.kids[i].text) {
		return
	}
	kid := t.kids[i]
	kid.remove(topic[len(kid.text):], p)
	switch {
	case len(kid.pipes) > 0:
	case len(kid.kids) == 0:
		t.kids = slices.Delete(t.kids, i, i+1)
	case len(kid.kids) == 1:
		kid.kids[0].text = kid.text + kid.kids[0].text
		t.kids[i] = kid.kids[0]
	}
}

// find returns the place of the kid whose text begins with this byte.
func (t *topicTree) find(first byte) (int, bool) {
	return slices.BinarySearchFunc(t.kids, first, func(kid *topicTree, b byte) int { return int(kid.text[0]) - int(b) })
}

// match calls f for the pipes of each topic that message begins with.
func (t *topicTree) match(message []byte, f func([]*pipe)) {
	for {
		if len(t.pipes) > 0 {
			f(t.pipes)
		}
		if len(message) == 0 {
			return
		}
		i, ok := t.find(message[0])
		if !ok || len(message) < len(t.kids[i].text) || string(message[:len(t.kids[i].text)]) != t.kids[i].text {
			return
		}
		t = t.kids[i]
		message = message[len(t.text):]
	}
}

// count returns how many pipes have the topic.
func (t *topicTree) count(topic string) int {
	for topic != "" {
		i, ok := t.find(topic[0])
		if !ok || !strings.HasPrefix(topic, t.kids[i].text) {
			return 0
		}
		t = t.kids[i]
		topic = topic[len(t.text):]
	}
	return len(t.pipes)
}

func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
