package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// together is how many octets of one write stay together in a pipe that others
// write into as well, on Linux.
const together = 4096

// Print passes on what print writes to a command's stdout, whole lines at a time:
// nothing that others write there gets into a line.
func Print(cmd *cobra.Command, print func(out io.Writer)) error {
	w := lineWriter{out: cmd.OutOrStdout()}
	print(&w)
	w.pass(len(w.buf))
	if w.err != nil {
		return fmt.Errorf("writing to stdout: %w", w.err)
	}
	return nil
}

// lineWriter gathers lines. Its err is the first error of out, after which nothing
// is written any more.
type lineWriter struct {
	out io.Writer
	buf []byte
	err error
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	for len(w.buf) > together {
		n := bytes.LastIndexByte(w.buf[:together], '\n') + 1
		if n == 0 { // a longer line
			n = bytes.IndexByte(w.buf, '\n') + 1
		}
		if n == 0 { // of which more comes
			break
		}
		w.pass(n)
	}
	return len(p), w.err
}

// pass passes on the first n octets.
func (w *lineWriter) pass(n int) {
	if w.err == nil && n > 0 {
		_, w.err = w.out.Write(w.buf[:n])
	}
	w.buf = append(w.buf[:0], w.buf[n:]...)
}
