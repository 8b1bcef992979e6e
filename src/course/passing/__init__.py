"""What the notes say in passing: descent in a valley, dropout as a vote, a batch's statistics, no zero_grad."""
