// Package copies copies what must not be copied. go vet has to report each line that
// says so.
package copies

import "github.com/zcurve/zcurve/curve"

func copies(sealer *curve.Sealer, opener *curve.Opener, client *curve.Client, handshake *curve.Handshake, server *curve.Server) {
	a := *sealer    // copy
	b := *opener    // copy
	c := *client    // copy
	d := *handshake // copy
	e := *server    // copy
	_, _, _, _, _ = &a, &b, &c, &d, &e
}

func keys(key curve.SecretKey) {
	a := key // these may be
	_ = a
}
