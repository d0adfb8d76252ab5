package form

import "github.com/zcurve/zcurve/internal/zpl"

// Bounds of the texts, in bytes. Those of a locked secret key are in package argon, and
// those of armor are in package armor.
const (
	MaxFile   = 64 << 10    // a certificate, an authority or a login
	MaxList   = zpl.MaxSize // a revocation list
	MaxLine   = 1024        // a line that is written: czmq reads past the end of a file with a longer one
	MaxReason = MaxLine - len(`        reason = ""`)

	maxMetadata = 512 // metadata that czmq's zauth can handle
)
