package remote

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/zcurve/zcurve/zap"
)

// maxProved bounds the last decisions about passwords that a connection can still keep.
const maxProved = 1024

// proof returns the keyed hash of a request with a password.
func (ws *watches) proof(req *zap.Request) (sum [32]byte) {
	mac := hmac.New(sha256.New, ws.secret[:])
	for _, part := range append([][]byte{[]byte(req.Domain), []byte(req.Address), []byte(req.Mechanism)}, req.Credentials...) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write(part)
	}
	return [32]byte(mac.Sum(nil))
}

// proofs holds the hashes of the last requests of a connection whose passwords were right. Only
// these can be kept: otherwise, KEEP would be a way to guess passwords without a limit.
type proofs struct {
	mu    sync.Mutex
	known map[[32]byte]bool
	order [][32]byte
}

func (ps *proofs) add(sum [32]byte) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.known[sum] {
		return
	}
	if ps.known == nil {
		ps.known = map[[32]byte]bool{}
	}
	if len(ps.order) == maxProved {
		delete(ps.known, ps.order[0])
		ps.order = ps.order[1:]
	}
	ps.known[sum] = true
	ps.order = append(ps.order, sum)
}

func (ps *proofs) has(sum [32]byte) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.known[sum]
}

// proving is the handler of a connection that keeps admissions: it notes which passwords were
// right.
type proving struct{ *peer }

func (h proving) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	if !needsProof(req.Mechanism) {
		return h.handler.Handle(ctx, req)
	}
	sum := h.watches.proof(req) // now, because the handler may change the request
	reply := h.handler.Handle(ctx, req)
	if reply.Status == zap.StatusOK {
		h.kept.proofs.add(sum)
	}
	return reply
}

func (h proving) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	prompt, ok := h.handler.(zap.PromptHandler)
	if !ok {
		return zap.Reply{}, false
	}
	if !needsProof(req.Mechanism) {
		return prompt.HandleAtOnce(req)
	}
	sum := h.watches.proof(req)
	reply, ok := prompt.HandleAtOnce(req)
	if ok && reply.Status == zap.StatusOK {
		h.kept.proofs.add(sum)
	}
	return reply, ok
}
