// SPDX-License-Identifier: Apache-2.0

// Tlogverify reads a log of ours with code that is not ours: the note and tlog
// packages of Go's checksum database (Debian: golang-golang-x-mod-dev).
//
//	tlogverify -vkey KEY [-token T] [-old NOTE] [-receipt FILE -entry FILE] BASE
//
// BASE is a folder or a URL under which "checkpoint" and "tile/…" lie as
// https://c2sp.org/tlog-tiles has them. It checks the checkpoint's signature,
// the tree anew from every entry, every tile, that the checkpoint continues an
// older one, and a receipt (https://c2sp.org/tlog-proof).
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

type source struct {
	base  string
	token string
}

func (s source) read(path string) ([]byte, error) {
	if !strings.HasPrefix(s.base, "http://") && !strings.HasPrefix(s.base, "https://") {
		return os.ReadFile(filepath.Join(s.base, filepath.FromSlash(path)))
	}
	req, err := http.NewRequest("GET", strings.TrimSuffix(s.base, "/")+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return body, nil
}

// tilePath turns Go's "tile/8/L/N" into C2SP's "tile/L/N".
func tilePath(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
}

type tileReader struct {
	source source
	count  int
}

func (r *tileReader) Height() int { return tileHeight }

func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := r.source.read(tilePath(t))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
		r.count++
	}
	return all, nil
}

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func openCheckpoint(data []byte, verifier note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	n, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, errors.New("not a checkpoint of this log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// bundle reads the entries that begin at first: at most one tile's.
func bundle(s source, first, size int64) ([][]byte, error) {
	width := size - first
	if width > tileWidth {
		width = tileWidth
	}
	tile := tlog.Tile{H: tileHeight, L: 0, N: first / tileWidth, W: int(width)}
	data, err := s.read("tile/entries/" + strings.TrimPrefix(tilePath(tile), "tile/0/"))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("entry bundle %d is cut off", tile.N)
		}
		length := int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	if int64(len(entries)) != width {
		return nil, fmt.Errorf("entry bundle %d has %d entries instead of %d", tile.N, len(entries), width)
	}
	return entries, nil
}

// stored is a whole tree in memory, in the order of tlog.StoredHashIndex.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("hash %d is beyond the tree", index)
		}
		hashes[i] = s[index]
	}
	return hashes, nil
}

// rebuild makes the tree anew from the entries alone, and compares its root and every tile.
//
// The reader of tiles is not enough: in x/mod 0.7.0 TileHashReader takes a tile for checked that
// it has not checked, when several hashes of the right edge lie in one tile.
func rebuild(s source, tree tlog.Tree) error {
	var hashes stored
	for first := int64(0); first < tree.N; first += tileWidth {
		entries, err := bundle(s, first, tree.N)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			more, err := tlog.StoredHashes(first+int64(i), entry, hashes)
			if err != nil {
				return err
			}
			hashes = append(hashes, more...)
		}
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the entries do not lead to the signed root")
	}
	tiles := tlog.NewTiles(tileHeight, 0, tree.N)
	for i, t := range tiles {
		// It lists every width that a tile may have had; ours has the last.
		if i+1 < len(tiles) && tiles[i+1].L == t.L && tiles[i+1].N == t.N {
			continue
		}
		want, err := tlog.ReadTileData(t, hashes)
		if err != nil {
			return err
		}
		got, err := s.read(tilePath(t))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s does not have the hashes of its entries", tilePath(t))
		}
	}
	return nil
}

func checkReceipt(receipt, entry []byte, verifier note.Verifier) error {
	head, checkpoint, found := bytes.Cut(receipt, []byte("\n\n"))
	if !found {
		return errors.New("the receipt has no checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("the receipt is malformed")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(checkpoint, verifier)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func run() error {
	vkey := flag.String("vkey", "", "the log's verifier key")
	token := flag.String("token", "", "bearer token")
	old := flag.String("old", "", "an older checkpoint, that this one must continue")
	receipt := flag.String("receipt", "", "a receipt to check")
	entry := flag.String("entry", "", "the receipt's entry")
	flag.Parse()
	if flag.NArg() != 1 {
		return errors.New("which log? give a folder or a URL")
	}
	s := source{flag.Arg(0), *token}
	verifier, err := note.NewVerifier(*vkey)
	if err != nil {
		return err
	}
	data, err := s.read("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(data, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	tiles := &tileReader{source: s}
	reader := tlog.TileHashReader(tree, tiles)
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the tiles do not lead to the signed root")
	}
	if err := rebuild(s, tree); err != nil {
		return err
	}
	if *old != "" {
		data, err := os.ReadFile(*old)
		if err != nil {
			return err
		}
		before, err := openCheckpoint(data, verifier)
		if err != nil {
			return fmt.Errorf("older checkpoint: %w", err)
		}
		proof, err := tlog.ProveTree(tree.N, before.N, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return fmt.Errorf("does not continue the older checkpoint: %w", err)
		}
	}
	if *receipt != "" {
		proof, err := os.ReadFile(*receipt)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(*entry)
		if err != nil {
			return err
		}
		if err := checkReceipt(proof, text, verifier); err != nil {
			return fmt.Errorf("receipt: %w", err)
		}
	}
	fmt.Printf("%s: %d entries, root %v, %d tiles read\n", verifier.Name(), tree.N, tree.Hash, tiles.count)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "tlogverify:", err)
		os.Exit(1)
	}
}
