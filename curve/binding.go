package curve

import "crypto/sha256"

// bindingLabel separates the hash from any other use of the four keys.
const bindingLabel = "CurveZMQ channel binding 1"

// Binding returns the connection's channel binding of type "curvezmq" (docs/spec/sasl.md,
// RFC 5056): 32 bytes that both ends compute, and that no other connection has. A login inside
// the connection that covers them cannot be relayed to another connection. They are not
// secret. They are zero until HandleReady succeeds.
func (c *Client) Binding() [32]byte {
	if !c.bound {
		return [32]byte{}
	}
	return c.binding
}

// Binding is [Client.Binding] on the server. The binding is zero until Ready succeeds.
func (h *Handshake) Binding() [32]byte {
	if !h.bound {
		return [32]byte{}
	}
	return h.binding
}

// bind computes the channel binding: SHA-256 of the label, C, S, C' and S'.
func bind(client, server, clientTransient, serverTransient PublicKey) [32]byte {
	text := make([]byte, 0, len(bindingLabel)+4*KeySize)
	text = append(text, bindingLabel...)
	for _, key := range [...]PublicKey{client, server, clientTransient, serverTransient} {
		text = append(text, key[:]...)
	}
	return sha256.Sum256(text)
}
