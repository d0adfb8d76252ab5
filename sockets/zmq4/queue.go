package zmq4

// Queue is a queue of messages without a limit. Not safe for concurrent use.
type Queue struct{ msgs ring[Msg] }

// NewQueue returns an empty queue.
func NewQueue() *Queue { return new(Queue) }

// Len returns the number of messages.
func (q *Queue) Len() int { return q.msgs.len() }

// Init removes all messages.
func (q *Queue) Init() { q.msgs = ring[Msg]{} }

// Push adds a message at the end.
func (q *Queue) Push(val Msg) { q.msgs.push(val) }

// Peek returns the oldest message. On an empty queue, it returns false.
func (q *Queue) Peek() (Msg, bool) {
	if q.Len() == 0 {
		return Msg{}, false
	}
	return *q.msgs.at(0), true
}

// Pop removes the oldest message, if there is one.
func (q *Queue) Pop() {
	if q.Len() > 0 {
		q.msgs.pop()
	}
}
