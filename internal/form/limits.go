package form

import "github.com/zcurve/zcurve/internal/zpl"

// Limits of the texts, in bytes. Package argon has the limits of locked secret keys, and
// package armor those of armor.
const (
	MaxFile   = 64 << 10    // a certificate, an authority or a login
	MaxList   = zpl.MaxSize // a revocation list
	MaxLine   = 1024        // a line to write: czmq reads past the end of a file with a longer line
	MaxReason = MaxLine - len(`        reason = ""`)

	maxMetadata = 512 // metadata that czmq's zauth can handle
)
