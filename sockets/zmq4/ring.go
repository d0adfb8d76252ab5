package zmq4

// ring is a queue. Its zero value is empty.
type ring[T any] struct {
	items []T
	head  int
	n     int
}

// minRing is the number of items that a ring has room for at first. It is a power of two, as
// are all lengths of items.
const minRing = 16

func (r *ring[T]) len() int { return r.n }

// at returns the item at position i, the oldest being 0.
func (r *ring[T]) at(i int) *T { return &r.items[(r.head+i)&(len(r.items)-1)] }

func (r *ring[T]) push(item T) {
	if r.n == len(r.items) {
		grown := make([]T, max(minRing, 2*r.n))
		n := copy(grown, r.items[r.head:])
		copy(grown[n:], r.items[:r.head])
		r.items, r.head = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = item
}

// pop removes the oldest item, and gives up memory when the ring is empty and was large.
func (r *ring[T]) pop() T {
	var none T
	oldest := r.at(0)
	item := *oldest
	*oldest = none
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	if r.n == 0 && len(r.items) > keptRing {
		*r = ring[T]{}
	}
	return item
}

// keptRing is how many items an empty ring keeps room for.
const keptRing = 1024
