package curve

import "crypto/sha256"

// bindingLabel keeps the hash apart from every other use of the four keys.
const bindingLabel = "CurveZMQ channel binding 1"

// Binding returns the channel binding of type "curvezmq" (docs/spec/sasl.md, RFC 5056): 32
// bytes that both ends of this connection compute and no other connection has. An
// authentication inside the connection that covers them cannot be relayed into another one.
// They are not secret. They are zero until HandleReady has succeeded.
func (c *Client) Binding() [32]byte {
	if !c.bound {
		return [32]byte{}
	}
	return c.binding
}

// Binding is [Client.Binding] on the server. It returns zeros until Ready has succeeded.
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
