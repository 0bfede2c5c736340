"""Train room: one loop for pre-training, supervised fine-tuning and DPO."""
