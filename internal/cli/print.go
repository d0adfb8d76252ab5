package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// together is the size in bytes of the largest write that a Linux pipe does not mix with
// writes of other processes.
const together = 4096

// Print calls print with a writer for the command's stdout that writes whole lines, so
// that other processes with the same stdout do not write into a line.
func Print(cmd *cobra.Command, print func(out io.Writer)) error {
	w := lineWriter{out: cmd.OutOrStdout()}
	print(&w)
	w.pass(len(w.buf))
	if w.err != nil {
		return fmt.Errorf("writing to stdout: %w", w.err)
	}
	return nil
}

// lineWriter collects lines. After the first error of out, it writes nothing.
type lineWriter struct {
	out io.Writer
	buf []byte
	err error
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	for len(w.buf) > together {
		n := bytes.LastIndexByte(w.buf[:together], '\n') + 1
		if n == 0 { // a line that is too long
			n = bytes.IndexByte(w.buf, '\n') + 1
		}
		if n == 0 { // still incomplete
			break
		}
		w.pass(n)
	}
	return len(p), w.err
}

// pass writes the first n bytes.
func (w *lineWriter) pass(n int) {
	if w.err == nil && n > 0 {
		_, w.err = w.out.Write(w.buf[:n])
	}
	w.buf = append(w.buf[:0], w.buf[n:]...)
}
